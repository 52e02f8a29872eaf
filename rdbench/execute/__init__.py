"""Many runs: plan them, execute them, stop and resume them."""

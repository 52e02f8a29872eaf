"""Many runs: which are left to do, where they run, how they stop."""

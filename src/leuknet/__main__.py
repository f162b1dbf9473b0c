"""`python -m leuknet` is the same as `leuknet`."""

from leuknet.cli import main

main()

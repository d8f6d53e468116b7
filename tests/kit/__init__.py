"""The kit that applications use: clients/python, checked against what the contract of the verifier Secret says."""

"""AWS: access keys of IAM users."""

"""What is decided: values in, values out, and time is an argument."""

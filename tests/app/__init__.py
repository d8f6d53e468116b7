"""The process: command line, queue, settings, logs."""

"""The process: kopf, the queue, the command line, and the one place that wires everything."""

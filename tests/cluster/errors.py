"""What can keep a cluster from coming up, each with what a person does about it."""


class ClusterError(Exception):
    """The cluster cannot be had; the message says why and what to do."""


class NoGo(ClusterError):
    """There is no Go to build the servers with."""


class NoNetwork(ClusterError):
    """Something has to be downloaded and the network does not answer."""


class BuildFailed(ClusterError):
    """`go build` ended with an error; the message names its log."""


class PortTaken(ClusterError):
    """Somebody else listens where a server was told to."""


class ServerEnded(ClusterError):
    """A server ended, or did not answer in time; the message ends with the last lines of its log."""


class NodeRefused(ClusterError):
    """This machine cannot run real pods; the message names the reason."""

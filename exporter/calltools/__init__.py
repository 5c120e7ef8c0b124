"""The client of the CallTools API: it asks, reads and checks, and never sends anything but GET."""

from exporter.calltools.client import Client, RequestContext

__all__ = ["Client", "RequestContext"]

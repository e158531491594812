"""Of kagent-proto: imported by kagent, and not used here."""


class MemoryServiceStub:
    pass

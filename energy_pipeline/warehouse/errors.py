"""What can go wrong with the warehouse, by whether another attempt can help."""


class WarehouseBusy(Exception):
    """Somebody else holds the warehouse. Worth another attempt."""


class WarehouseDamaged(Exception):
    """The file is not a warehouse this software can read. A rerun cannot change that."""

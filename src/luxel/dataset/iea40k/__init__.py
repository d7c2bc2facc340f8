"""The layout in which IEA40K was released: reading, converting and checking it."""

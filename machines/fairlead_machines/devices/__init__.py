"""Devices: they speak offsets and hold interrupt lines; only a board knows addresses and wiring."""

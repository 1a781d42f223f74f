"""Go on OpenSBI: the plugin, its OS half (ethanol) and its guest half (overlay)."""

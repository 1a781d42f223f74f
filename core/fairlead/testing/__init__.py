"""The conformance kit: what Go's runtime relies on, as checks that any installed port can be put through."""

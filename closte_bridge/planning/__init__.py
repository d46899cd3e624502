"""The pure core: from what both sides say to what should change. No I/O and no clock in here."""

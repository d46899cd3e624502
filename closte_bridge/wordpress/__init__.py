"""The WordPress side: call `wp`, read a snapshot, write the few options that are ours."""

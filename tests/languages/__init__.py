"""The translations of the shim, made with WP-CLI's `wp i18n`."""

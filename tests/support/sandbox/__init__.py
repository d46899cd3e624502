"""The sandbox with faults: every unusual response of Closte, chosen by kind, probability and domain.

It extends `closte_bridge.sandbox` and keeps a log of all requests.
"""

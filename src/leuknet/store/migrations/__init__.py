"""How each version's tables come from those of the version before; `leuknet.store.migrate` runs them."""

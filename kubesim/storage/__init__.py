"""Where objects are kept: a revision log. `interface` is the contract; `sql` and `memory` keep it."""

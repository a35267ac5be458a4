.PHONY: help test
help:
	@echo "make test"

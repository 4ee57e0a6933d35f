//! Nothing: the engine is not fuzzed here.

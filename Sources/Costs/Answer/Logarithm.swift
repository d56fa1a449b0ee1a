internal import Foundation

/// Natural logarithm.
func logarithm(_ x: Double) -> Double { log(x) }

/// eˣ.
func exponential(_ x: Double) -> Double { exp(x) }

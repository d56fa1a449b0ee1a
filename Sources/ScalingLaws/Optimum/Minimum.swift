internal import Foundation

/// Smallest values of functions of one variable.
enum Minimum {
    /// The place of the smallest value of a function with one valley, by golden sections, to about a part in 10⁹ of the
    /// range. O(60) evaluations.
    static func place(_ low: Double, _ high: Double, _ value: (Double) -> Double) -> Double {
        let ratio = (5.0.squareRoot() - 1) / 2
        var (a, b) = (low, high)
        var (c, d) = (b - ratio * (b - a), a + ratio * (b - a))
        var (atC, atD) = (value(c), value(d))
        for _ in 0..<60 {
            if atC < atD {
                (b, d, atD) = (d, c, atC)
                c = b - ratio * (b - a)
                atC = value(c)
            } else {
                (a, c, atC) = (c, d, atD)
                d = a + ratio * (b - a)
                atD = value(d)
            }
        }
        return (a + b) / 2
    }
}

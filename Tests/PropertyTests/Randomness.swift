import Numbers

extension SplitMix64 {
    /// One of the values; a value that stands there twice comes twice as often.
    mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &self)] }

    /// One of the values, by names: where a value is added, only choices that it wins change. So a new file of a device
    /// or of software leaves almost all drawn plans as they were.
    mutating func pick<Value>(named values: [(name: String, value: Value)]) -> (name: String, value: Value) {
        let drawn = next()
        func score(_ name: String) -> UInt64 {
            name.utf8.reduce(drawn) { SplitMix64.mixed($0 ^ UInt64($1)) }
        }
        return values.max { (score($0.name), $0.name) < (score($1.name), $1.name) } ?? values[0]
    }

    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &self) < share }
}

import Numbers

/// One number makes the whole sequence.
extension SplitMix64 {
    /// From 0 to below `count`, which is at least 1.
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

    /// True once in `times`.
    mutating func once(in times: Int) -> Bool { below(times) == 0 }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// The seed of input `index` of a run that begins with `seed`.
    static func seed(of index: Int, in seed: UInt64) -> UInt64 {
        var random = SplitMix64(seed: seed ^ (UInt64(index) &* 0xD1B5_4A32_D192_ED03))
        return random.next()
    }
}

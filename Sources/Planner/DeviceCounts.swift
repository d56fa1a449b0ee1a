/// Numbers of devices worth asking about: what can be split many ways.
package enum DeviceCounts {
    /// Ascending: powers of two below a node, above it whole nodes, at most eight to a doubling.
    package static func between(_ least: Int, _ most: Int, node: Int) -> [Int] {
        let node = max(1, node)
        var found: Set<Int> = []
        var size = 1
        while size < node {
            found.insert(size)
            size *= 2
        }
        for part in 8..<16 {
            var nodes = part
            while nodes <= most / node + 1 {
                found.insert(nodes * node)
                let (next, overflow) = nodes.multipliedReportingOverflow(by: 2)
                if overflow { break }
                nodes = next
            }
        }
        // Below eight nodes every number of them.
        for nodes in 1..<8 { found.insert(nodes * node) }
        return found.filter { (least...max(least, most)).contains($0) }.sorted()
    }
}

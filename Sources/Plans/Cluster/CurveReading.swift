internal import Reading
internal import Yams

extension FieldReader {
    /// Reads an efficiency curve: one fraction for every size, or a map from size to fraction.
    func shareOrCurve(_ key: String) -> EfficiencyCurve? {
        guard scalar(key) != nil else { return curve(key) }
        return number(key, .share, in: 1e-6...1).map { EfficiencyCurve(points: [.init(size: 1, share: $0)]) }
    }

    /// Reads an efficiency curve that is a map from size to fraction: `{1G: 0.2, 4G: 0.4}`.
    func curve(_ key: String) -> EfficiencyCurve? {
        guard let node = take(key) else { return nil }
        guard case .mapping(let mapping) = node, !mapping.isEmpty else {
            report(
                key, value: Self.shown(node), rule: "must be a map from size to share such as {1G: 0.2, 64G: 0.6}")
            return nil
        }
        var points: [EfficiencyCurve.Point] = []
        for (sizeNode, shareNode) in mapping {
            let fail = { (node: Node, rule: String, fix: String) in
                self.collector.report(self.join(key), at: node.mark, value: Self.shown(node), rule: rule, fix: fix)
            }
            if let size = sizeNode.scalar.flatMap({ RepeatedKeys.original($0.string) }) {
                collector.report(
                    join(key), at: sizeNode.mark, value: "'\(size)'", rule: "the same size twice in one map",
                    fix: "keep one of them")
                continue
            }
            let size = number(sizeNode, unit: .count, range: 1...1e24) { fail(sizeNode, $0, $1) }
            let share = number(shareNode, unit: .share, range: 1e-6...1) { fail(shareNode, $0, $1) }
            if let size, let share { points.append(EfficiencyCurve.Point(size: size, share: share)) }
        }
        guard points.count == mapping.count else { return nil }
        if zip(points, points.dropFirst()).contains(where: { $0.size >= $1.size }) {
            report(key, rule: "sizes must rise from entry to entry")
            return nil
        }
        return EfficiencyCurve(points: points)
    }
}

/// The order in which works of a pool are served, and the longest path through them.
package struct PoolOrder: Hashable, Sendable {
    /// Works by the longest path that remains from their beginning, the longest first.
    package let first: [Int]
    /// Place of each work in `first`.
    package let place: [Int]
    package let successors: [[Int]]
    /// Works that end before each work begins.
    let predecessors: [Int]
    /// Works of the longest path, from its beginning.
    package let criticalPath: [Int]
    /// Days of the longest path, if every work had the whole pool to itself: no schedule is shorter.
    package let criticalDays: Double

    /// - Precondition: the works have no circle.
    package init(_ works: [PoolWork], pool: Int) {
        var successors = [[Int]](repeating: [], count: works.count)
        for (number, work) in works.enumerated() {
            for before in Set(work.after).sorted() { successors[before].append(number) }
        }
        self.successors = successors
        predecessors = works.map { Set($0.after).count }
        let days = works.map { $0.days(pool: pool) }
        var remaining = [Double](repeating: 0, count: works.count)
        let order = PoolOrder.topological(works.map(\.after)) ?? []
        for work in order.reversed() {
            remaining[work] = days[work] + (successors[work].map { remaining[$0] }.max() ?? 0)
        }
        first = works.indices.sorted { (-remaining[$0], $0) < (-remaining[$1], $1) }
        var place = [Int](repeating: 0, count: works.count)
        for (index, work) in first.enumerated() { place[work] = index }
        self.place = place
        var path: [Int] = []
        var next = works.indices.max { (remaining[$0], -$0) < (remaining[$1], -$1) }
        criticalDays = next.map { remaining[$0] } ?? 0
        while let work = next {
            path.append(work)
            next = successors[work].max { (remaining[$0], -$0) < (remaining[$1], -$1) }
        }
        criticalPath = path
    }

    /// The place of a work in a list of works that keeps this order: where it is, or where it would be.
    func index(of work: Int, in works: [Int]) -> Int {
        var (low, high) = (0, works.count)
        while low < high {
            let middle = (low + high) / 2
            if place[works[middle]] < place[work] { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Numbers in an order in which each comes behind all those that it follows; nil: some of them form a circle.
    package static func topological(_ after: [[Int]]) -> [Int]? {
        var waits = after.map { Set($0).count }
        var open = after.indices.filter { waits[$0] == 0 }
        var order: [Int] = []
        var followers = [[Int]](repeating: [], count: after.count)
        for (number, before) in after.enumerated() {
            for other in Set(before) { followers[other].append(number) }
        }
        while let number = open.popLast() {
            order.append(number)
            for next in followers[number] {
                waits[next] -= 1
                if waits[next] == 0 { open.append(next) }
            }
        }
        return order.count == after.count ? order : nil
    }

    /// One circle among the numbers, each followed by one that must end before it; nil: there is none.
    package static func circle(_ after: [[Int]]) -> [Int]? {
        // 0: not visited, 1: on the way, 2: done.
        var states = [Int](repeating: 0, count: after.count)
        for root in after.indices where states[root] == 0 {
            var way: [(number: Int, next: Int)] = [(root, 0)]
            states[root] = 1
            while let (number, next) = way.last {
                guard next < after[number].count else {
                    states[number] = 2
                    way.removeLast()
                    continue
                }
                way[way.count - 1].next += 1
                let other = after[number][next]
                if states[other] == 1, let start = way.firstIndex(where: { $0.number == other }) {
                    return way[start...].map(\.number)
                }
                if states[other] == 0 {
                    states[other] = 1
                    way.append((other, 0))
                }
            }
        }
        return nil
    }
}

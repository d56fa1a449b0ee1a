/// Messages and collectives on arrays and single numbers, for small or rare data. Tensors go through the calls on buffers,
/// which allocate nothing.
extension Communicator {
    package func send<T: MPIElement>(_ values: [T], to rank: Int, tag: Int = 0) throws(MPIError) {
        try values.withUnsafeBufferPointer { (buffer) throws(MPIError) in
            try send(buffer, to: rank, tag: tag)
        }
    }

    /// - Returns: the message, no longer than `count` elements.
    package func receive<T: MPIElement>(
        _ type: T.Type = T.self, count: Int, from rank: Int, tag: Int = 0
    ) throws(MPIError) -> [T] {
        var values = [T](repeating: .zero, count: count)
        let received = try values.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
            try receive(into: buffer, from: rank, tag: tag)
        }
        if received < count { values.removeLast(count - received) }
        return values
    }

    package func broadcast<T: MPIElement>(_ values: inout [T], from root: Int) throws(MPIError) {
        try values.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
            try broadcast(buffer, from: root)
        }
    }

    /// - Returns: the root's number; what the others pass is ignored.
    package func broadcast<T: MPIElement>(_ value: T, from root: Int) throws(MPIError) -> T {
        var value = value
        try withUnsafeMutablePointer(to: &value) { (pointer) throws(MPIError) in
            try broadcast(UnsafeMutableBufferPointer(start: pointer, count: 1), from: root)
        }
        return value
    }

    /// Collective.
    /// - Returns: the words of the first rank that has any, on every rank; nil: no rank has.
    package func firstProblem(_ words: String?) throws(MPIError) -> String? {
        let flags: [Int64] = try allGather(words == nil ? 0 : 1)
        guard let rank = flags.firstIndex(of: 1) else { return nil }
        return String(decoding: try broadcast(bytes: Array((words ?? "").utf8), from: rank), as: UTF8.self)
    }

    /// Gives every rank the root's bytes. The others need not know how many: the length goes first.
    package func broadcast(bytes: [UInt8], from root: Int) throws(MPIError) -> [UInt8] {
        let count = try broadcast(Int64(bytes.count), from: root)
        var values = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
        try broadcast(&values, from: root)
        return values
    }

    package func allReduceInPlace<T: MPIElement>(
        _ values: inout [T], _ reduction: Reduction = .sum
    ) throws(MPIError) {
        try values.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
            try allReduceInPlace(buffer, reduction)
        }
    }

    package func allReduce<T: MPIElement>(_ values: [T], _ reduction: Reduction = .sum) throws(MPIError) -> [T] {
        var values = values
        try allReduceInPlace(&values, reduction)
        return values
    }

    package func allReduce<T: MPIElement>(_ value: T, _ reduction: Reduction = .sum) throws(MPIError) -> T {
        var value = value
        try withUnsafeMutablePointer(to: &value) { (pointer) throws(MPIError) in
            try allReduceInPlace(UnsafeMutableBufferPointer(start: pointer, count: 1), reduction)
        }
        return value
    }

    /// - Returns: this rank's block, `values.count / size` elements.
    package func reduceScatter<T: MPIElement>(_ values: [T], _ reduction: Reduction = .sum) throws(MPIError) -> [T] {
        var block = [T](repeating: .zero, count: values.count / size)
        try values.withUnsafeBufferPointer { (input) throws(MPIError) in
            try block.withUnsafeMutableBufferPointer { (output) throws(MPIError) in
                try reduceScatter(input, into: output, reduction)
            }
        }
        return block
    }

    package func allGather<T: MPIElement>(_ values: [T]) throws(MPIError) -> [T] {
        var all = [T](repeating: .zero, count: values.count * size)
        try values.withUnsafeBufferPointer { (input) throws(MPIError) in
            try all.withUnsafeMutableBufferPointer { (output) throws(MPIError) in
                try allGather(input, into: output)
            }
        }
        return all
    }

    /// - Returns: one number a rank.
    package func allGather<T: MPIElement>(_ value: T) throws(MPIError) -> [T] {
        try allGather([value])
    }

    package func allToAll<T: MPIElement>(_ values: [T]) throws(MPIError) -> [T] {
        var all = [T](repeating: .zero, count: values.count)
        try values.withUnsafeBufferPointer { (input) throws(MPIError) in
            try all.withUnsafeMutableBufferPointer { (output) throws(MPIError) in
                try allToAll(input, into: output)
            }
        }
        return all
    }
}

/// Which rank does what: ranks numbered as Megatron-LM numbers them, tensor innermost, then context, data, pipeline.
package struct RankGrid: Hashable, Codable, Sendable {
    /// A rank's place along each degree.
    package struct Coordinates: Hashable, Codable, Sendable {
        package var tensor: Int
        package var context: Int
        package var data: Int
        package var pipeline: Int

        package init(tensor: Int = 0, context: Int = 0, data: Int = 0, pipeline: Int = 0) {
            self.tensor = tensor
            self.context = context
            self.data = data
            self.pipeline = pipeline
        }
    }

    package let tensor: Int
    package let context: Int
    package let data: Int
    package let pipeline: Int

    package init(tensor: Int, context: Int = 1, data: Int, pipeline: Int) {
        self.tensor = tensor
        self.context = context
        self.data = data
        self.pipeline = pipeline
    }

    package init(_ layout: Layout) {
        self.init(tensor: layout.tensor, context: layout.context, data: layout.data, pipeline: layout.pipeline)
    }

    /// Ranks in all.
    package var size: Int { tensor * context * data * pipeline }

    package func coordinates(of rank: Int) -> Coordinates {
        Coordinates(
            tensor: rank % tensor, context: rank / tensor % context, data: rank / (tensor * context) % data,
            pipeline: rank / (tensor * context * data))
    }

    package func rank(at place: Coordinates) -> Int {
        ((place.pipeline * data + place.data) * context + place.context) * tensor + place.tensor
    }

    /// The ranks that share one layer's matrices with `rank`, in order.
    package func tensorGroup(of rank: Int) -> [Int] {
        group(of: rank, count: tensor) { $0.tensor = $1 }
    }

    /// The ranks that hold the other pieces of `rank`'s sequences, in order.
    package func contextGroup(of rank: Int) -> [Int] {
        group(of: rank, count: context) { $0.context = $1 }
    }

    /// The ranks that hold the same weights and see other sequences, in order.
    package func dataGroup(of rank: Int) -> [Int] {
        group(of: rank, count: data) { $0.data = $1 }
    }

    /// The ranks among which gradients are reduced: data and context parallel ones together, in order.
    package func gradientGroup(of rank: Int) -> [Int] {
        group(of: rank, count: data * context) { place, index in
            place.context = index % context
            place.data = index / context
        }
    }

    /// The ranks a micro-batch of `rank` travels through, in order of stages.
    package func pipelineGroup(of rank: Int) -> [Int] {
        group(of: rank, count: pipeline) { $0.pipeline = $1 }
    }

    /// The first and last rank of `rank`'s pipeline, which share a tied embedding; one rank when there is one stage.
    package func embeddingGroup(of rank: Int) -> [Int] {
        let line = pipelineGroup(of: rank)
        return line.count > 1 ? [line[0], line[line.count - 1]] : line
    }

    private func group(of rank: Int, count: Int, place: (inout Coordinates, Int) -> Void) -> [Int] {
        let base = coordinates(of: rank)
        return (0..<count).map { index in
            var coordinates = base
            place(&coordinates, index)
            return self.rank(at: coordinates)
        }
    }
}

extension Cluster {
    /// The innermost network all `ranks` reach one another over, when ranks fill nodes in order.
    ///
    /// - Returns: an index into `networks`; the outermost when nothing smaller joins them.
    package func networkLevel(joining ranks: [Int]) -> Int {
        for (level, network) in networks.enumerated().dropLast() {
            guard let first = ranks.first else { return level }
            let block = first / max(1, network.devices)
            if ranks.allSatisfy({ $0 / max(1, network.devices) == block }) { return level }
        }
        return max(0, networks.count - 1)
    }
}

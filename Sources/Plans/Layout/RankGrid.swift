/// The numbering of ranks, as in Megatron-LM: tensor innermost, then context, data, pipeline.
package struct RankGrid: Hashable, Codable, Sendable {
    /// A rank's coordinates along the degrees.
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

    /// Number of all ranks.
    package var size: Int { tensor * context * data * pipeline }

    package func coordinates(of rank: Int) -> Coordinates {
        Coordinates(
            tensor: rank % tensor, context: rank / tensor % context, data: rank / (tensor * context) % data,
            pipeline: rank / (tensor * context * data))
    }

    package func rank(at place: Coordinates) -> Int {
        ((place.pipeline * data + place.data) * context + place.context) * tensor + place.tensor
    }
}

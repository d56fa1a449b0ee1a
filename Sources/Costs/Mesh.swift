package import Plans

/// How many devices do what: the degrees of a layout.
package struct Mesh: Hashable, Sendable {
    package var tensor: Int
    package var context: Int
    package var pipeline: Int
    package var data: Int
    package var expert: Int
    package var expertTensor: Int

    package init(
        tensor: Int = 1, context: Int = 1, pipeline: Int = 1, data: Int = 1, expert: Int = 1, expertTensor: Int = 1
    ) {
        self.tensor = tensor
        self.context = context
        self.pipeline = pipeline
        self.data = data
        self.expert = expert
        self.expertTensor = expertTensor
    }

    /// `base` with these degrees.
    package func layout(_ base: Layout) -> Layout {
        var layout = base
        layout.tensor = tensor
        layout.context = context
        layout.pipeline = pipeline
        layout.data = data
        layout.expert = expert
        layout.expertTensor = expertTensor
        return layout
    }
}

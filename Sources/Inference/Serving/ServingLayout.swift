/// How a model that answers is divided over devices.
///
/// Copies of the blocks outside routed experts (`data`) each answer sequences of their own. Routed experts are spread over
/// `expert` devices, or cut like all other matrices where `expert` is 1.
package struct ServingLayout: Hashable, Codable, Sendable {
    /// Devices that cut every matrix between them.
    package var tensor = 1
    /// Stages of neighbouring blocks.
    package var pipeline = 1
    package var data = 1
    /// Devices among which the routed experts are distributed.
    package var expert = 1

    package init(tensor: Int = 1, pipeline: Int = 1, data: Int = 1, expert: Int = 1) {
        (self.tensor, self.pipeline, self.data, self.expert) = (tensor, pipeline, data, expert)
    }

    package var devices: Int { tensor * pipeline * data }
    /// Devices that share the matrices of one expert.
    var expertTensor: Int { expert == 1 ? tensor : 1 }
}

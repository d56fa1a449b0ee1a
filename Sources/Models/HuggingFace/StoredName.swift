/// Where a Hugging Face file keeps a tensor of the model.
package struct StoredName: Hashable, Sendable {
    package var name: String
    /// The shape of the stored tensor, and the first of the tensor's elements in it: several experts may lie in one.
    package var shape: [Int]
    package var start = 0

    package init(name: String, shape: [Int], start: Int = 0) {
        (self.name, self.shape, self.start) = (name, shape, start)
    }

    /// The places that files of a type may keep a tensor in, the one that is written first.
    /// - Parameter experts: routed experts of a block; 0 without.
    package static func places(of tensor: TensorSpec, type: String, experts: Int) -> [StoredName] {
        let own = StoredName(name: tensor.name, shape: tensor.shape)
        if type == "gpt2" {
            // The first files of GPT-2 lack the prefix.
            return tensor.name == "lm_head.weight"
                ? [own] : [StoredName(name: "transformer." + tensor.name, shape: tensor.shape), own]
        }
        guard let mlp = tensor.name.firstRange(of: ".mlp."), experts > 0 else { return [own] }
        let (block, rest) = (tensor.name[..<mlp.lowerBound], tensor.name[mlp.upperBound...])
        var places = [own]
        if type == "mixtral" {
            var rest = String(rest)
            for (ours, theirs) in [("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2")] {
                rest = rest.replacing(".\(ours).", with: ".\(theirs).")
            }
            places.insert(StoredName(name: "\(block).block_sparse_moe.\(rest)", shape: tensor.shape), at: 0)
        }
        // All experts of a block in one tensor, gate and up one behind the other.
        let parts = rest.split(separator: ".")
        if parts.count == 4, parts[0] == "experts", let number = Int(parts[1]), tensor.shape.count == 2 {
            let (rows, columns) = (tensor.shape[0], tensor.shape[1])
            let isDown = parts[2] == "down_proj"
            let (one, first) = (isDown ? tensor.count : 2 * tensor.count, parts[2] == "up_proj" ? tensor.count : 0)
            places.append(
                StoredName(
                    name: "\(block).mlp.experts.\(isDown ? "down_proj" : "gate_up_proj")",
                    shape: [experts, isDown ? rows : 2 * rows, columns], start: number * one + first))
        }
        return places
    }
}

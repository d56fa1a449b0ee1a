extension Part {
    /// The part's work on one stream of a sequence of image and text, with weights of its own. Those of the text have a
    /// prefix in their names.
    func on(_ stream: Rows.Stream) -> Part {
        var part = self
        if stream == .text { part.tensors = part.tensors.map { $0.named(in: "text_") } }
        part.products = products.map { product in
            var product = product
            product.rows = product.rows.of(stream)
            return product
        }
        part.kept = kept.map { kept in
            var kept = kept
            kept.stored = kept.stored.of(stream)
            return kept
        }
        part.operands = operands.map { $0.of(stream) }
        part.forward = forward.of(stream)
        part.backward = backward.of(stream)
        func moved(_ messages: [Message]) -> [Message] { messages.map { Message($0.width, $0.rows.of(stream)) } }
        part.messages.inputs = moved(messages.inputs)
        part.messages.keptInputs = moved(messages.keptInputs)
        part.messages.gatheredOnce = moved(messages.gatheredOnce)
        part.messages.results = moved(messages.results)
        return part
    }

    /// Adds all that another part has.
    mutating func add(_ other: Part) {
        tensors += other.tensors
        products += other.products
        kept += other.kept
        operands += other.operands
        forward = Elementwise(joining: [forward, other.forward])
        backward = Elementwise(joining: [backward, other.backward])
        messages.add(other.messages)
        otherKernels += other.otherKernels
    }

    /// The part on both streams, each with weights of its own.
    /// - Parameter text: the part of the text, if it is another one.
    func onBothStreams(text: Part? = nil) -> Part {
        var both = on(.image)
        both.add((text ?? self).on(.text))
        return both
    }
}

extension Stored {
    fileprivate func of(_ stream: Rows.Stream) -> Stored {
        var stored = self
        stored.extent.rows = extent.rows.of(stream)
        return stored
    }
}

extension Elementwise {
    fileprivate func of(_ stream: Rows.Stream) -> Elementwise {
        func moved(_ extent: Extent) -> Extent { Extent(extent.rows.of(stream), extent.width) }
        return Elementwise(kernels.map { $0.map { $0.of(stream) } }, casts: casts.map { $0.map(moved) })
    }
}

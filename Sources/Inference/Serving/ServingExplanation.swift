package import Costs
internal import Plans

extension ServingEstimate {
    /// How the figures come about: formula, inputs and source of each.
    package var explanation: [Estimate.Explanation] {
        var lines = Derivation()
        explainMemory(&lines)
        explainSeconds(&lines)
        explainMoney(&lines)
        return lines.lines
    }

    private func explainMemory(_ lines: inout Derivation) {
        lines.define("b", batch, "sequences", "sequences at the same time")
        lines.define("s_p", work.prompt, "tokens", "tokens of a prompt")
        lines.define("s_o", work.output, "tokens", "tokens of an answer")
        lines.define("d", layout.data, "copies", "copies of the blocks, each with sequences of its own")
        lines.define("N_b", held.blocks, "parameters", "parameters of blocks on the fullest device")
        lines.define(
            "w", work.weights.bytes, "bytes", "bytes of a weight in \(work.weights.name), with its part of a scale")
        if work.table == work.ends {
            lines.define("N_e", held.table + held.head, "parameters", "parameters of embedding and head on it")
            lines.define(
                "w_e", work.ends.bytes, "bytes", "bytes of a weight of embedding and head in \(work.ends.name)")
        } else {
            lines.define(
                "N_t", held.table, "parameters", "parameters of the embedding on it; 0 where it is the head's matrix")
            lines.define("w_t", work.table.bytes, "bytes", "bytes of a weight of the embedding in \(work.table.name)")
            lines.define("N_e", held.head, "parameters", "parameters of the head on it")
            lines.define("w_e", work.ends.bytes, "bytes", "bytes of a weight of the head in \(work.ends.name)")
        }
        lines.derive(
            "weights of a device", as: "weights", "N_b·w\(work.table == work.ends ? "" : " + N_t·w_t") + N_e·w_e",
            "bytes"
        )
        lines.define(
            "c", held.sequence, "bytes",
            "bytes that a sequence of s_p + s_o tokens keeps on the fullest device in \(work.cache.name)")
        lines.derive(
            "keys and values of a device", as: "cache", "ceil(b/d)·c", "bytes",
            note: "a token adds \(Int(cacheBytesPerToken.rounded())) bytes over all devices of a copy")
        lines.define("activations", memory.activations, "bytes", "results of the widest block for one pass, and logits")
        lines.define("reserved", memory.reserved, "bytes", "driver and libraries (\(cluster.name))")
        lines.derive("fullest device", as: "peak", "weights + cache + activations + reserved", "bytes")
        lines.define("memory", memory.capacity, "bytes", "memory of a device (\(cluster.name))")
        lines.define("u", Estimate.usableShare, "share", "fraction of a memory that can be filled")
        lines.derive("usable memory", as: "usable", "u·memory", "bytes")
    }

    private func explainSeconds(_ lines: inout Derivation) {
        explain(prefill, "prompts", "p", "all prompts", &lines)
        lines.define(
            "bubble_p", prefillSeconds - prefill.total, "s",
            "stages of a pipeline work at the same time and wait for one another; 0 with one stage")
        lines.derive(
            "reading all prompts", as: "prefill",
            "products_p + experts_p + attention_p + kernels_p + head_p + messages_p + bubble_p", "s",
            note: "each operation takes the longest of its arithmetic, its memory traffic and one launch",
            after: "Williams et al. 2009, the roofline model")
        explain(decode, "one token of every sequence", "t", "in the middle of an answer", &lines)
        lines.define("bubble_t", tokenSeconds.middle - decode.total, "s", "as bubble_p, for one token")
        lines.derive(
            "one more token, in the middle", as: "middle",
            "products_t + experts_t + attention_t + kernels_t + head_t + messages_t + bubble_t", "s")
        lines.define("first", tokenSeconds.first, "s", "one more token after the prompt")
        lines.define("last", tokenSeconds.last, "s", "one more token at the end of an answer")
        lines.derive(
            "tokens of an answer", as: "decode", "max(s_o − 1, 0)·(first + 2·middle + last)/4", "s",
            note: "the first token comes with the prompt")
        lines.derive("the whole answer", as: "answer", "prefill + decode", "s")
        lines.derive("tokens of answers a second", as: "rate", "b·s_o/answer", "tokens/s")
        lines.define("n", devices, "devices", "devices")
        lines.derive("tokens of answers a second and device", as: "rate_d", "rate/n", "tokens/s")
    }

    private func explain(
        _ pass: PassSeconds, _ what: String, _ suffix: String, _ of: String, _ lines: inout Derivation
    ) {
        lines.define("products_\(suffix)", pass.products, "s", "products that every row passes through, \(of)")
        lines.define("experts_\(suffix)", pass.experts, "s", "products of routed experts, \(of)")
        lines.define("attention_\(suffix)", pass.attention, "s", "queries that meet keys, and recurrences, \(of)")
        lines.define("kernels_\(suffix)", pass.kernels, "s", "norms, activations and positions, \(of)")
        lines.define("head_\(suffix)", pass.head, "s", "the head, \(of)")
        lines.define("messages_\(suffix)", pass.messages, "s", "messages among devices that no compute hides, \(of)")
    }

    private func explainMoney(_ lines: inout Derivation) {
        guard let price = cluster.price else { return }
        let words = price.currency.words
        lines.define("price", price.perHour, words, "price of a device for an hour (\(cluster.name))")
        lines.derive(
            "a million tokens of prompts", as: "price_p", "n·price/3600·prefill/(b·s_p)·1000000", words)
        lines.derive(
            "a million tokens of answers", as: "price_o", "n·price/3600·decode/(b·s_o)·1000000", words)
    }
}

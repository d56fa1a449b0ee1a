extension BytePairTraining.Result {
    /// The `tokenizer.json` that the `tokenizers` package opens and that encodes the same there.
    package func json(rule: SplittingRule) -> [UInt8] {
        var json = JSONWriter()
        json.raw(#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":["#)
        for (id, token) in special.enumerated() {
            if id > 0 { json.raw(",") }
            json.raw(#"{"id":\#(id),"content":"#)
            json.text(Array(token.utf8))
            json.raw(
                #","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}"#)
        }
        json.raw(#"],"normalizer":null,"pre_tokenizer":"#)
        if rule == .gpt2 {
            json.raw(#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#)
        } else {
            if let pattern = rule.pattern {
                json.raw(#"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"#)
                json.text(Array(pattern.utf8))
                json.raw(#"},"behavior":"Isolated","invert":false},"#)
            }
            json.raw(#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}"#)
            if rule.pattern != nil { json.raw("]}") }
        }
        json.raw(
            #","post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},"#)
        json.raw(#""decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"#)
        json.raw(#""model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"#)
        json.raw(#""end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{"#)
        for (id, token) in vocabulary.enumerated() {
            if id > 0 { json.raw(",") }
            json.text(token)
            json.raw(":\(id)")
        }
        json.raw(#"},"merges":["#)
        for (rank, merge) in merges.enumerated() {
            json.raw(rank > 0 ? ",[" : "[")
            json.text(vocabulary[Int(merge.left)])
            json.raw(",")
            json.text(vocabulary[Int(merge.right)])
            json.raw("]")
        }
        json.raw("]}}\n")
        return json.bytes
    }
}

/// JSON text, piece by piece.
private struct JSONWriter {
    var bytes: [UInt8] = []

    mutating func raw(_ text: String) { bytes += Array(text.utf8) }

    /// A text in quotes.
    mutating func text(_ text: [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                raw("\\u00")
                bytes += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

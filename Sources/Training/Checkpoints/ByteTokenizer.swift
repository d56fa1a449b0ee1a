internal import Foundation

/// The runtime's tokenizer, whose tokens are the bytes of a text, in the words of Hugging Face's `tokenizers`: a byte-level BPE
/// without merges.
enum ByteTokenizer {
    static let file = "tokenizer.json"
    static let configuration = "tokenizer_config.json"

    /// The character that stands for a byte in such files (GPT-2, `bytes_to_unicode`): printable bytes for themselves, the
    /// others, in their order, for the characters from 256 on.
    static func character(of byte: Int) -> Character? {
        func isPrintable(_ byte: Int) -> Bool { (33...126).contains(byte) || byte >= 161 && byte != 173 }
        let code = isPrintable(byte) ? byte : 256 + (0..<byte).count { !isPrintable($0) }
        return Unicode.Scalar(UInt32(code)).map(Character.init)
    }

    /// `tokenizer.json` for a vocabulary of `vocab` entries. Bytes beyond it have no token.
    static func text(vocab: Int) throws -> Data {
        let ids = (0..<min(256, vocab)).compactMap { byte in character(of: byte).map { (String($0), byte) } }
        let split: [String: Any] = [
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false,
        ]
        let none = NSNull()
        return try json([
            "version": "1.0", "truncation": none, "padding": none, "added_tokens": [Any](), "normalizer": none,
            "pre_tokenizer": split, "post_processor": none, "decoder": split,
            "model": [
                "type": "BPE", "dropout": none, "unk_token": none, "continuing_subword_prefix": none,
                "end_of_word_suffix": none, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": Dictionary(ids, uniquingKeysWith: { first, _ in first }), "merges": [Any](),
            ] as [String: Any],
        ])
    }

    /// `tokenizer_config.json`.
    /// - Parameters:
    ///   - longest: tokens that the model reads at once.
    ///   - end: the text of the token that ends a document; nil: there is none.
    static func configurationText(longest: Int, end: String? = nil) throws -> Data {
        var values: [String: Any] = [
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest,
            "clean_up_tokenization_spaces": false,
        ]
        if let end { values["eos_token"] = end }
        return try json(values)
    }

    private static func json(_ value: [String: Any]) throws -> Data {
        try JSONSerialization.data(
            withJSONObject: value, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            + Data("\n".utf8)
    }
}

internal import Reading

/// The software that a plan names: a product, and the release or the month of it that runs.
///
///     nemo              the newest generation that is described
///     nemo@25.04        the generation to which that release belongs
///     torchtitan@2025-03    the generation of that month
package struct SoftwareName: Hashable, Codable, Sendable {
    package var product: String
    package var release: Release?
    /// The name as the plan writes it.
    package var text: String

    /// A release of a product.
    package enum Release: Hashable, Codable, Sendable {
        /// The numbers of a version: [25, 4] for 25.04.
        case version([Int])
        /// Months since the year 0.
        case month(Int)
    }

    /// nil if what follows the `@` is neither a version nor a month.
    package init?(_ text: String) {
        self.text = text
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        product = parts[0]
        guard parts.count == 2 else { return }
        guard let release = Release(parts[1]) else { return nil }
        self.release = release
    }
}

extension SoftwareName.Release {
    /// nil if `text` is neither a version, such as 0.12 or v25.04, nor a month, such as 2025-03.
    package init?(_ text: String) {
        let digits = text.hasPrefix("v") ? text.dropFirst() : text[...]
        if let month = Self.month(text) {
            self = .month(month)
            return
        }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            part.count <= 6 && part.allSatisfy { $0.isASCII && $0.isNumber } ? Int(part) : nil
        }
        guard numbers.count == parts.count, numbers.count <= 4 else { return nil }
        self = .version(numbers)
    }

    /// Months since the year 0 of a month as people write it, 2025-03; nil if `text` is none.
    package static func month(_ text: String) -> Int? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 4, parts[1].count == 2, let year = Int(parts[0]),
            let month = Int(parts[1]), (1...12).contains(month), year >= 1990
        else { return nil }
        return year * 12 + month - 1
    }

    /// Whether this version is at least as new as `other`; a missing number counts as 0.
    static func isAtLeast(_ version: [Int], _ other: [Int]) -> Bool {
        for index in 0..<max(version.count, other.count) {
            let (own, least) = (index < version.count ? version[index] : 0, index < other.count ? other[index] : 0)
            if own != least { return own > least }
        }
        return true
    }
}

extension Framework {
    /// A product that runs this generation, and its first release that does.
    package struct Product: Hashable, Codable, Sendable {
        package var name: String
        /// The numbers of the first version.
        package var first: [Int]
        /// The version as the file writes it.
        package var text: String
    }

    /// The first month of the generation as people write it, 2025-03; nil if the file does not say.
    package var sinceText: String? {
        since.map { "\($0 / 12)-\($0 % 12 < 9 ? "0" : "")\($0 % 12 + 1)" }
    }
}

extension Frameworks {
    /// The remark that the named release is older than every generation of its product; nil if it is not.
    var remarkOnRelease: Remark? {
        guard let product, case .olderThan(let oldest) = resolved(product) else { return nil }
        let since = known[oldest]?.sinceText.map { " of \($0)" } ?? ""
        return Remark(
            .releaseOlder,
            "\(product.text) is older than every generation of \(product.product) that is described: it is priced with the "
                + "constants of \(oldest)\(since)")
    }

    /// `framework` in words: by the product and release that the plan names, if it names one.
    package func words(for framework: Framework) -> String {
        guard let product, framework.name == named else { return framework.name }
        if !changes.isEmpty {
            let said = changes.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
            return "\(product.text) with \(said)"
        }
        return "\(product.text), constants of \(framework.name)"
    }

    /// The generation that `name` means.
    package enum Resolution: Hashable, Sendable {
        case found(String)
        /// The release is older than every generation of the product that is described; the oldest is the nearest.
        case olderThan(String)
        /// A generation, which has no releases, is named with one.
        case withoutReleases(String)
        case unknown
    }

    /// Names of all products and generations, in alphabetical order.
    package var allNames: [String] {
        Set(known.values.flatMap { $0.products.map(\.name) } + Array(known.keys)).sorted()
    }

    /// The generation that `name` means. A name without a release is the generation of that name, or the newest one of
    /// the product.
    package func resolved(_ name: SoftwareName) -> Resolution {
        let generations = known.values.compactMap { framework in
            framework.products.first { $0.name == name.product }.map { (framework: framework, first: $0.first) }
        }.sorted { ($0.framework.since ?? 0, $0.framework.name) < ($1.framework.since ?? 0, $1.framework.name) }
        guard let release = name.release else {
            if known[name.product] != nil { return .found(name.product) }
            return generations.last.map { .found($0.framework.name) } ?? .unknown
        }
        guard let oldest = generations.first else {
            return known[name.product] == nil ? .unknown : .withoutReleases(name.product)
        }
        let reached = generations.last { generation in
            switch release {
            case .version(let version): SoftwareName.Release.isAtLeast(version, generation.first)
            case .month(let month): month >= generation.framework.since ?? 0
            }
        }
        return reached.map { .found($0.framework.name) } ?? .olderThan(oldest.framework.name)
    }
}

/// The text of a sum in a formula. Terms that are nil are left out; "0" if none is left.
package func sum(_ terms: String?...) -> String { sum(terms) }

package func sum(_ terms: [String?]) -> String { sumOrNil(terms) ?? "0" }

/// The text of a sum in a formula; nil if no term is left.
package func sumOrNil(_ terms: String?...) -> String? { sumOrNil(terms) }

package func sumOrNil(_ terms: [String?]) -> String? {
    let terms = terms.compactMap { $0 }
    return terms.isEmpty ? nil : terms.joined(separator: " + ")
}

/// The text of the largest of `terms` in a formula.
package func largest(_ terms: [String]) -> String {
    terms.count > 1 ? "max(\(terms.joined(separator: ", ")))" : terms.first ?? "0"
}

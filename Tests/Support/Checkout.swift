import Foundation
import Plans
package import Reading

/// This checkout, found from where the tests are compiled.
package enum Checkout {
    /// Its folder.
    package static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    /// The models, clusters and frameworks in it.
    package static let library = Library(folders: [root])
}

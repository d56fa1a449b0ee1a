import Foundation
import Plans

/// The clusters and frameworks of this checkout.
enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    static let library = Library(folders: [root])

    /// Every cluster file, by the name plans call it. One that a calibration wrote is no part of the checkout.
    static let clusters: [(name: String, cluster: Cluster)] = library.clusterNames.filter { $0 != "local" }.compactMap {
        name in (try? Cluster.read(name, library: library)).map { (name, $0) }
    }

    static let frameworks = (try? Frameworks.read(library: library)) ?? Frameworks()
}

import Plans
import Reading
import TestSupport

extension Checkout {
    /// Every cluster file, by the name plans call it. One that a calibration wrote is no part of the checkout.
    static let clusters: [(name: String, cluster: Cluster)] = library.clusterNames.filter { $0 != "local" }.compactMap {
        name in (try? Cluster.read(name, library: library)).map { (name, $0) }
    }

    static let frameworks = (try? Frameworks.read(library: library)) ?? Frameworks()
}

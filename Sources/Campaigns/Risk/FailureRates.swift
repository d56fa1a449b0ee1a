internal import Foundation

/// Published failures of clusters, to see how far rates differ from one to the next.
package enum FailureRates {
    package struct Published: Hashable, Sendable {
        package var name: String
        /// Failures of a device a day, those of hosts and networks included.
        package var perDeviceDay: Double
        package var source: String
    }

    /// Interruptions over devices and days, as the sources count them.
    package static let published = [
        Published(
            name: "Llama 3 405B", perDeviceDay: 419 / (16_384 * 54.0),
            source: "arXiv 2407.21783, table 5: 419 unexpected interruptions in 54 days on 16,384 H100"),
        Published(
            name: "OPT-175B", perDeviceDay: 105 / (992 * 60.0),
            source: "arXiv 2205.01068, section 2.5: 35 manual and 70 automatic restarts in two months on 992 A100"),
        Published(
            name: "BLOOM", perDeviceDay: 1.5 / (384 * 7.0),
            source: "arXiv 2211.05100, section 3.4: one or two failures a week on 384 A100"),
        Published(
            name: "Meta RSC-1", perDeviceDay: 6.5e-3 / 8,
            source: "arXiv 2410.21680: 6.50 failures in 1,000 days of a node of eight A100"),
        Published(
            name: "Meta RSC-2", perDeviceDay: 2.34e-3 / 8,
            source: "arXiv 2410.21680: 2.34 failures in 1,000 days of a node of eight A100"),
        Published(
            name: "Crusoe", perDeviceDay: 205 / (1_600 * 122.0),
            source: "Lockwood 2025, a talk at GTC: about 205 failures in four months on 1,600 H200"),
    ]

    /// Standard deviation of the logarithms of these rates, each of which stands for a cluster.
    package static let logarithmicSpread: Double = {
        let logs = published.map { log($0.perDeviceDay) }
        let mean = logs.reduce(0, +) / Double(logs.count)
        return (logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(logs.count - 1)).squareRoot()
    }()
}

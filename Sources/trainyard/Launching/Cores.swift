internal import Foundation

/// The processor cores that this process may use.
enum Cores {
    /// The number of physical cores that this process may use. Hardware threads of one core count once.
    static func physical() -> Int {
        let processors = ProcessInfo.processInfo.activeProcessorCount
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") }),
            let list = line.split(separator: ":").last
        else { return processors }
        let cores = Set(numbers(in: list.trimmingCharacters(in: .whitespaces)).compactMap(siblings))
        return cores.isEmpty ? processors : min(cores.count, processors)
    }

    /// The list of hardware threads that share a processor's core, as the system writes it.
    private static func siblings(of processor: Int) -> String? {
        try? String(
            contentsOfFile: "/sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list", encoding: .utf8)
    }

    /// The numbers of a list such as `0-3,8`.
    static func numbers(in list: String) -> [Int] {
        list.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 16 else { return [] }
            return Array(first...last)
        }
    }
}

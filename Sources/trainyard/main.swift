internal import Foundation

Console.endOnClosedPipe()
exit(Trainyard.start())

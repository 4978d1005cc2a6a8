// flags: -O1
// SPDX-License-Identifier: Apache-2.0
// A region of C++'s library: a file read by lines, numbers parsed and formatted, output.
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

extern "C" __attribute__((noinline, used)) double streams(const char *path)
{
	std::ifstream in(path);
	std::map<std::string, double> sums;
	std::string line;
	double total = 0;

	while (std::getline(in, line)) {
		std::istringstream words(line);
		std::string name;
		double value = 0;

		words >> name >> value;
		sums[name] += value;
	}
	for (const auto &sum : sums) {
		std::cout << std::setw(8) << sum.first << ' ' << std::fixed << sum.second << '\n';
		total += sum.second;
	}
	std::cout << std::flush;
	return total;
}

int main(int argc, char **argv)
{
	return argc > 1 && streams(argv[1]) > 0 && streams(argv[1]) > 0 ? 0 : 1;
}

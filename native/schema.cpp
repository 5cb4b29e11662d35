// What Python and the tests read of the kernels: a line for each enumeration, kernel and argument.
//
//   structs VERSION SIZES
//   enum NAME VALUE...
//   kernel NAME [samples] [concurrent] [shards]
//     NAME KIND [LEAST MOST] [TYPE] [xTIMES] [(LENGTH...)] [picked FLAG] [optional]
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>

#include "program.h"

namespace hg {
namespace {

const char* const kKinds[] = {"size", "fixed", "integer", "flag", "option", "hyper", "real", "read", "write", "update"};
const char* const kTypes[] = {"float", "int", "byte", "bit"};

std::string line_of(const Arg& arg, const Args& args) {
  std::string text = "  ";
  text += arg.name;
  auto add = [&](const char* word) -> std::string& { return (text += " ") += word; };
  add(kKinds[int(arg.kind)]);
  if (arg.kind == Kind::kSize || arg.kind == Kind::kFixed) {
    add(std::to_string(arg.least).c_str());
    add(std::to_string(arg.most).c_str());
  }
  if (arg.option) add(arg.option->name);
  if (arg.array()) add(kTypes[int(arg.type)]);
  if (arg.times != 1) add("x") += std::to_string(arg.times);
  if (arg.array() && arg.rank != kUnsaid) {
    add("(");
    for (int d = 0; d < arg.rank; d++) (text += d ? " " : "") += args.list[arg.dims[d]].name;
    text += ")";
  }
  if (arg.picked != kUnsaid) add("picked"), add(args.list[arg.picked].name);
  if (arg.optional) add("optional");
  return text += "\n";
}

void add_enums(const Args& args, std::string& text) {  // each of them once
  for (int k = 0; k < args.count; k++) {
    const Enum* e = args.list[k].option;
    std::string line = "enum ";
    if (!e || text.find((line += e->name) += " ") != std::string::npos) continue;
    for (int i = 0; i < e->count; i++) (line += e->values[i]) += i + 1 < e->count ? " " : "\n";
    text += line;
  }
}

std::string schema() {
  std::string text = "structs ";
  text += std::to_string(kStructs);
  for (size_t size : {sizeof(Row), sizeof(hg_spec), sizeof(hg_run)}) (text += " ") += std::to_string(size);
  text += "\n";
  const KernelTable* table = present_table();
  for (int i = 0; table && i < table->count; i++) add_enums(table->kernels[i].args, text);
  for (int i = 0; table && i < table->count; i++) {
    const Kernel& kernel = table->kernels[i];
    (text += "kernel ") += kernel.name;
    text += kernel.samples ? " samples" : "";
    text += kernel.concurrent ? " concurrent" : "";
    text += kernel.shards ? " shards\n" : "\n";
    for (int k = 0; k < kernel.args.count; k++) text += line_of(kernel.args.list[k], kernel.args);
  }
  return text;
}

}  // namespace
}  // namespace hg

extern "C" {

const char* hg_schema() {
  static const std::string text = hg::schema();
  return text.c_str();
}

uint32_t hg_abi() {  // CRC-32
  uint32_t sum = ~0u;
  for (const char* c = hg_schema(); *c; c++) {
    sum ^= uint8_t(*c);
    for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
  }
  return ~sum;
}

}

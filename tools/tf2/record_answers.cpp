// Copyright 2026 segformer_ros maintainers
// SPDX-License-Identifier: Apache-2.0
//
// Answers the questions of make_scenarios.py with a real tf2::BufferCore, that of Debian:
//
//     sudo apt install g++ libtf2-dev
//     g++ -O1 record_answers.cpp -ltf2 -lrostime -lcpp_common -o record_answers
//     python3 make_scenarios.py | ./record_answers > ../../test/data/tf2_answers.txt
//
// A line is one step. `scenario NAME CACHE_SECONDS` starts with an empty buffer,
// `set` takes one transform in, `look` asks for one. The answer is appended to `look`,
// and to `set` whether the buffer took the transform.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include <geometry_msgs/TransformStamped.h>
#include <tf2/buffer_core.h>
#include <tf2/exceptions.h>

namespace
{
ros::Time time_of(int64_t nanoseconds)
{
  ros::Time time;
  time.fromNSec(static_cast<uint64_t>(nanoseconds));
  return time;
}

std::string look(const tf2::BufferCore & buffer, std::istringstream & words)
{
  std::string target, source;
  int64_t stamp;
  words >> target >> source >> stamp;
  try {
    const auto found = buffer.lookupTransform(target, source, time_of(stamp)).transform;
    char text[256];
    std::snprintf(
      text, sizeof text, "%.12f %.12f %.12f %.12f %.12f %.12f %.12f", found.translation.x,
      found.translation.y, found.translation.z, found.rotation.x, found.rotation.y,
      found.rotation.z, found.rotation.w);
    return text;
  } catch (const tf2::ExtrapolationException &) {
    return "extrapolation";
  } catch (const tf2::ConnectivityException &) {
    return "connectivity";
  } catch (const tf2::LookupException &) {
    return "lookup";
  } catch (const tf2::InvalidArgumentException &) {
    return "invalid";
  }
}

std::string set(tf2::BufferCore & buffer, std::istringstream & words)
{
  geometry_msgs::TransformStamped message;
  int64_t stamp;
  std::string kind;
  auto & move = message.transform.translation;
  auto & turn = message.transform.rotation;
  words >> message.header.frame_id >> message.child_frame_id >> stamp >> kind >> move.x >>
    move.y >> move.z >> turn.x >> turn.y >> turn.z >> turn.w;
  message.header.stamp = time_of(stamp);
  return buffer.setTransform(message, "recorded", kind == "static") ? "taken" : "refused";
}
}  // namespace

int main()
{
  std::unique_ptr<tf2::BufferCore> buffer;
  for (std::string line; std::getline(std::cin, line); ) {
    std::istringstream words(line);
    std::string step;
    words >> step;
    if (step == "scenario") {
      std::string name;
      double cache_time;
      words >> name >> cache_time;
      buffer.reset(new tf2::BufferCore(ros::Duration(cache_time)));
      std::cout << line << "\n";
    } else if (step == "set") {
      std::cout << line << " = " << set(*buffer, words) << "\n";
    } else if (step == "look") {
      std::cout << line << " = " << look(*buffer, words) << "\n";
    } else {
      std::cout << line << "\n";
    }
  }
}
